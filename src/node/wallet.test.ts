import { describe, expect, it } from "vitest";
import {
  coinbaseOf,
  ELSEWHERE,
  parse,
  walletPaths as paths,
  walletSigner as signer,
  transactionOf,
  unwrap,
  WalletRows,
  withId,
} from "../../test/support/wallet-rows.ts";
import { asTxid, toHex } from "../core/base/index.ts";
import {
  addressToScript,
  type FundingInput,
  isFundingSignature,
  p2wpkhSighash,
  payToWitnessPublicKeyHash,
  payToWitnessScriptHash,
  planFunding,
  type Transaction,
  transactionId,
  virtualSize,
} from "../core/bitcoin/index.ts";
import { derDecode, keyPaths, secp256k1, seedFromPhrase, seedSigner } from "../core/crypto/index.ts";
import { BLOCKS_KEPT } from "./chain-follower.ts";
import { Wallet } from "./wallet.ts";
import { WITHDRAWAL } from "./wallet-coins.ts";

const EMPTY = new Uint8Array(0);
const START = 1000;

function setup(channelIndexes = 0) {
  const rows = new WalletRows();
  const wallet = rows.open(START, channelIndexes);
  let height = START;
  return {
    rows,
    wallet,
    height: () => height,
    mine: (...transactions: Transaction[]) => wallet.connectBlock(rows, ++height, transactions.map(withId)),
    unmine: () => wallet.disconnectBlock(rows, height--),
    /** A new address's script. */
    script: () => unwrap(addressToScript(wallet.newAddress(rows), "regtest")),
  };
}

/** A wallet with confirmed coins of these amounts. */
function funded(...amounts: bigint[]) {
  const node = setup();
  const paying = transactionOf(amounts.map((amountSat) => ({ script: node.script(), amountSat })));
  node.mine(paying);
  return { ...node, paying };
}

function balance(confirmedSat: bigint, unconfirmedSat = 0n, reservedSat = 0n) {
  return { confirmedSat, unconfirmedSat, reservedSat };
}

const PAYMENT = { script: ELSEWHERE, amountSat: 50_000n, feeRate: 1000 };

describe("addresses", () => {
  it("gives the addresses of BIP 84's test vector, in order", () => {
    const phrase = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
    const rows = new WalletRows();
    const empty = { coins: [], withdrawals: [], channelIndexes: 0, now: () => 0, onWithdrawal: () => undefined };
    const options = { ...empty, network: "main", height: 0, paths: keyPaths(0) } as const;
    const seed = unwrap(seedFromPhrase(phrase));
    const wallet = new Wallet({ ...options, keys: rows.keys, signer: seedSigner(seed) });
    expect(wallet.newAddress(rows)).toBe("bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu");
    expect(wallet.newAddress(rows)).toBe("bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g");
    expect(rows.keys).toEqual({ nextReceive: 2, nextChange: 0 });
  });

  it("never gives one twice, over restarts", () => {
    const { rows, wallet } = setup();
    const first = wallet.newAddress(rows);
    expect(rows.open(START).newAddress(rows)).not.toBe(first);
  });

  it("watches 20 keys past the last one given, and goes on after the farthest that was paid", () => {
    const { rows, wallet, mine } = setup();
    const at = (change: 0 | 1, index: number) =>
      payToWitnessPublicKeyHash(signer.publicKey(paths.walletKey(change, index)));
    mine(transactionOf([{ script: at(0, 20), amountSat: 1n }]));
    expect(wallet.coins()).toEqual([]);
    mine(transactionOf([{ script: at(0, 19), amountSat: 2n }]));
    mine(transactionOf([{ script: at(1, 19), amountSat: 4n }]));
    expect(rows.keys).toEqual({ nextReceive: 20, nextChange: 20 });
    mine(transactionOf([{ script: at(0, 39), amountSat: 8n }]));
    expect(wallet.balance()).toEqual(balance(14n));
  });
});

describe("receiving", () => {
  it("counts what a block pays to it", () => {
    const { wallet, rows, script, mine } = setup();
    mine(transactionOf([{ script: ELSEWHERE, amountSat: 5n }]));
    expect(rows.coins.size).toBe(0);
    mine(
      transactionOf([
        { script: ELSEWHERE, amountSat: 5n },
        { script: script(), amountSat: 70n },
      ]),
    );
    expect(wallet.balance()).toEqual(balance(70n));
    expect(wallet.coins()).toMatchObject([
      { outputIndex: 1, height: START + 2, keyKind: "receive", state: "confirmed" },
    ]);
  });

  it("takes the outputs to a channel's final key: those of channels so far, and of new ones once watched", () => {
    const { wallet, mine } = setup(2);
    const final = (channel: number) => payToWitnessPublicKeyHash(signer.publicKey(paths.finalKey(channel)));
    mine(...[0, 1, 2].map((channel) => transactionOf([{ script: final(channel), amountSat: 10n ** BigInt(channel) }])));
    expect(wallet.balance()).toEqual(balance(11n));
    wallet.watchFinalKey(2);
    mine(transactionOf([{ script: final(2), amountSat: 100n }]));
    expect(wallet.balance()).toEqual(balance(111n));
    expect(wallet.coins().map((coin) => [coin.keyKind, coin.keyIndex])).toEqual([
      ["final", 0],
      ["final", 1],
      ["final", 2],
    ]);
  });

  it("shows a payment of the mempool as unconfirmed and does not spend it", () => {
    const { wallet, rows, script, mine } = setup();
    const paying = transactionOf([{ script: script(), amountSat: 100_000n }]);
    wallet.noteUnconfirmed(rows, withId(paying));
    wallet.noteUnconfirmed(rows, withId(paying));
    expect(wallet.balance()).toEqual(balance(0n, 100_000n));
    expect(wallet.send(rows, PAYMENT)).toMatchObject({ ok: false, error: { availableSat: 0n } });
    mine(paying);
    expect(wallet.balance()).toEqual(balance(100_000n));
  });

  it("spends a block's reward when 100 blocks made it mature, not before", () => {
    const { wallet, rows, script, mine } = setup();
    mine(coinbaseOf(script(), 100_000n));
    mine(coinbaseOf(ELSEWHERE, 100_000n));
    for (let i = 2; i < 99; i++) mine();
    expect(wallet.balance()).toEqual(balance(0n, 100_000n));
    expect(wallet.send(rows, PAYMENT).ok).toBe(false);
    mine();
    expect(wallet.balance()).toEqual(balance(100_000n));
    expect(wallet.send(rows, PAYMENT).ok).toBe(true);
  });

  it("keeps every block's reward apart", () => {
    const { wallet, script, mine, unmine } = setup();
    for (const amountSat of [1n, 2n, 4n]) mine(coinbaseOf(script(), amountSat));
    expect(wallet.balance()).toEqual(balance(0n, 7n));
    unmine();
    expect(wallet.balance()).toEqual(balance(0n, 3n));
  });

  it("takes a block's reward from the block alone, whenever it is published by itself", () => {
    const { wallet, rows, script, mine } = setup();
    const reward = coinbaseOf(script(), 100_000n);
    wallet.noteUnconfirmed(rows, withId(reward));
    expect(wallet.balance()).toEqual(balance(0n));
    mine(reward);
    expect(wallet.balance()).toEqual(balance(0n, 100_000n));
  });

  it("writes nothing for a transaction that has nothing to do with it", () => {
    const { wallet, rows, mine, unmine } = funded(100_000n);
    const { writes } = rows;
    const strange = transactionOf([{ script: ELSEWHERE, amountSat: 1n }]);
    wallet.noteUnconfirmed(rows, withId(strange));
    mine(strange, coinbaseOf(ELSEWHERE, 5n));
    unmine();
    expect(rows.writes).toBe(writes);
  });
});

describe("funding a channel", () => {
  const ANCHOR = { channel: 3, ...PAYMENT };

  it("makes a signed transaction that pays exactly what is asked, and reserves its coins", () => {
    const { wallet, rows } = funded(40_000n, 30_000n, 1_000n);
    const made = unwrap(wallet.fund(rows, ANCHOR));
    const transaction = parse(made.transaction);
    expect(made.txid).toEqual(transactionId(transaction));
    expect(transaction.outputs[made.outputIndex]).toEqual({ amountSat: 50_000n, script: ELSEWHERE });
    expect(transaction.outputs).toHaveLength(2);
    expect(transaction.inputs).toHaveLength(2);
    expect(wallet.balance()).toEqual(balance(1_000n, 0n, 70_000n));
    expect([...rows.coins.values()].map((row) => row.reservedFor)).toEqual([3, 3, undefined]);
    expect(rows.keys.nextChange).toBe(1);
    const fee = 70_000n - transaction.outputs.reduce((sum, output) => sum + output.amountSat, 0n);
    const size = BigInt(virtualSize(transaction));
    expect(fee >= size && fee <= size + 3n).toBe(true);
  });

  it("signs each input with the key that its coin was paid to", () => {
    const { wallet, rows, paying } = funded(40_000n, 30_000n, 20_000n);
    const transaction = parse(unwrap(wallet.fund(rows, { ...ANCHOR, amountSat: 80_000n })).transaction);
    expect(transaction.inputs).toHaveLength(3);
    transaction.inputs.forEach((input, index) => {
      const spent = paying.outputs[input.index];
      const [signature = EMPTY, publicKey = EMPTY] = input.witness;
      expect(payToWitnessPublicKeyHash(publicKey)).toEqual(spent?.script);
      const hash = p2wpkhSighash(transaction, index, publicKey, spent?.amountSat ?? 0n);
      const decoded = derDecode(signature.slice(0, -1));
      expect(decoded !== undefined && secp256k1.verify(decoded, hash, publicKey)).toBe(true);
      expect(signature.at(-1)).toBe(1);
    });
  });

  it("makes its change a coin only when the network has it, and builds on that", () => {
    const { wallet, rows, mine } = funded(100_000n);
    const first = parse(unwrap(wallet.fund(rows, { ...ANCHOR, amountSat: 20_000n })).transaction);
    expect(wallet.fund(rows, { ...ANCHOR, channel: 4, amountSat: 20_000n }).ok).toBe(false);
    wallet.broadcastNoted(rows, first);
    const change = wallet.balance().unconfirmedSat;
    expect(wallet.balance()).toEqual(balance(0n, change));
    expect(change > 79_000n && change < 80_000n).toBe(true);
    const second = parse(unwrap(wallet.fund(rows, { ...ANCHOR, channel: 4, amountSat: 20_000n })).transaction);
    expect(second.inputs[0]?.txid).toEqual(transactionId(first));
    expect(wallet.balance()).toEqual(balance(0n, 0n, change));
    mine(first);
    expect(wallet.balance()).toEqual(balance(0n, 0n, change));
    wallet.broadcastNoted(rows, second);
    mine(second);
    expect(wallet.balance().reservedSat).toBe(0n);
    expect(wallet.balance().confirmedSat > 59_000n).toBe(true);
    expect(wallet.coins()).toHaveLength(1);
  });

  it("takes confirmed coins where they suffice, however large the unconfirmed", () => {
    const { wallet, rows, mine } = funded(900_000n);
    const first = parse(unwrap(wallet.fund(rows, ANCHOR)).transaction);
    wallet.broadcastNoted(rows, first);
    const small = transactionOf([
      { script: unwrap(addressToScript(wallet.newAddress(rows), "regtest")), amountSat: 60_000n },
    ]);
    mine(small);
    const second = parse(unwrap(wallet.fund(rows, { ...ANCHOR, channel: 4 })).transaction);
    expect(second.inputs.map((input) => input.txid)).toEqual([transactionId(small)]);
  });

  it("does not build on more unconfirmed transactions than nodes relay", () => {
    const { wallet, rows, mine } = funded(1_000_000n);
    const made: Transaction[] = [];
    for (let channel = 0; channel < 25; channel++) {
      made.push(parse(unwrap(wallet.fund(rows, { ...ANCHOR, channel, amountSat: 20_000n })).transaction));
      for (const transaction of made.slice(-1)) wallet.broadcastNoted(rows, transaction);
    }
    expect(wallet.fund(rows, { ...ANCHOR, channel: 25, amountSat: 20_000n }).ok).toBe(false);
    mine(...made.slice(0, 1));
    expect(wallet.fund(rows, { ...ANCHOR, channel: 25, amountSat: 20_000n }).ok).toBe(true);
  });

  it("says what it needs and what there is", () => {
    const { wallet, rows } = funded(30_000n, 15_000n);
    const { writes } = rows;
    const result = wallet.fund(rows, ANCHOR);
    expect(result).toMatchObject({ ok: false, error: { type: "insufficient_funds", availableSat: 45_000n } });
    if (!result.ok) expect(result.error.neededSat > 50_000n && result.error.neededSat < 50_400n).toBe(true);
    expect(rows.writes).toBe(writes);
  });

  it("frees the coins of an anchor that is given up, and no others", () => {
    const { wallet, rows } = funded(60_000n, 70_000n);
    unwrap(wallet.fund(rows, ANCHOR));
    unwrap(wallet.fund(rows, { ...ANCHOR, channel: 4 }));
    expect(wallet.balance().reservedSat).toBe(130_000n);
    wallet.release(rows, 3);
    expect(wallet.balance()).toEqual(balance(70_000n, 0n, 60_000n));
    expect(unwrap(wallet.fund(rows, { ...ANCHOR, channel: 5 })).outputIndex).toBeGreaterThanOrEqual(0);
  });

  it("remembers reservations over a restart", () => {
    const { wallet, rows, height } = funded(100_000n);
    const made = parse(unwrap(wallet.fund(rows, ANCHOR)).transaction);
    const again = rows.open(height());
    expect(again.balance()).toEqual(balance(0n, 0n, 100_000n));
    again.broadcastNoted(rows, made);
    expect(again.balance().reservedSat).toBe(0n);
    again.connectBlock(rows, height() + 1, [withId(made)]);
    expect(again.balance().confirmedSat > 49_000n).toBe(true);
    expect(again.coins()).toHaveLength(1);
  });
});

describe("sending", () => {
  it("pays, and holds the coins until the spend confirms", () => {
    const { wallet, rows, mine, unmine } = funded(100_000n);
    const made = unwrap(wallet.send(rows, PAYMENT));
    const transaction = parse(made.transaction);
    expect(transaction.outputs).toContainEqual({ amountSat: 50_000n, script: ELSEWHERE });
    const change = wallet.balance().unconfirmedSat;
    expect(wallet.balance()).toEqual(balance(0n, change));
    mine(transaction);
    expect(wallet.balance()).toEqual(balance(change));
    unmine();
    expect(wallet.balance()).toEqual(balance(0n, change));
    mine();
    expect(wallet.send(rows, { ...PAYMENT, amountSat: 60_000n }).ok).toBe(false);
    expect(wallet.send(rows, { ...PAYMENT, amountSat: 10_000n }).ok).toBe(true);
  });

  it("pays everything in one output, less the fee", () => {
    const { wallet, rows, mine } = funded(100_000n, 50_000n, 200n);
    const transaction = parse(
      unwrap(wallet.send(rows, { script: ELSEWHERE, amountSat: "all", feeRate: 5000 })).transaction,
    );
    expect(transaction.outputs).toHaveLength(1);
    expect(transaction.inputs).toHaveLength(2);
    const fee = 150_000n - (transaction.outputs[0]?.amountSat ?? 0n);
    const size = BigInt(virtualSize(transaction));
    expect(fee >= 5n * size && fee <= 5n * (size + 2n)).toBe(true);
    mine(transaction);
    expect(wallet.balance()).toEqual(balance(200n));
    expect(rows.keys.nextChange).toBe(0);
  });

  it("refuses to pay everything when that is nothing, and to pay dust", () => {
    const { wallet, rows } = funded(600n);
    const all = { script: ELSEWHERE, amountSat: "all", feeRate: 1000 } as const;
    expect(wallet.send(rows, all)).toMatchObject({ ok: false, error: { type: "insufficient_funds" } });
    expect(setup().wallet.send(rows, all)).toMatchObject({ ok: false, error: { type: "insufficient_funds" } });
    for (const amountSat of [545n, 0n, -1n]) {
      const result = wallet.send(rows, { ...all, amountSat });
      expect(result).toEqual({ ok: false, error: { type: "amount_below_dust", amountSat, dustSat: 546n } });
    }
    expect(wallet.balance()).toEqual(balance(600n));
  });

  it("takes a withdrawal back that the network refused", () => {
    const { wallet, rows, height } = funded(100_000n);
    wallet.withdrawals.refused(rows, unwrap(wallet.send(rows, PAYMENT)).txid, height());
    expect(wallet.balance()).toEqual(balance(100_000n));
    expect(rows.coins.size).toBe(1);
  });

  it("frees the coins of a withdrawal that a restored node knows nothing of, unless the mempool has it", () => {
    for (const lost of [true, false]) {
      const { wallet, rows, height } = funded(100_000n, 90_000n);
      const made = parse(unwrap(wallet.send(rows, PAYMENT)).transaction);
      expect(wallet.doubts()).toEqual([]);
      // Backups have none.
      rows.withdrawals.clear();
      const again = rows.open(height());
      const doubts = again.doubts();
      expect(doubts).toHaveLength(2);
      for (const outpoint of doubts) {
        const change = toHex(outpoint.txid) === toHex(transactionId(made));
        again.settleDoubt(rows, outpoint, change ? !lost : lost);
      }
      if (lost) {
        expect(again.balance()).toEqual(balance(190_000n));
        expect(again.doubts()).toEqual([]);
      } else {
        expect(again.balance()).toMatchObject({ confirmedSat: 90_000n, reservedSat: 100_000n });
        again.connectBlock(rows, height() + 1, [withId(made)]);
        expect(again.balance()).toMatchObject({ unconfirmedSat: 0n, reservedSat: 0n });
        expect(again.doubts()).toEqual([]);
      }
    }
  });

  it("does not free what is settled meanwhile", () => {
    const { wallet, rows } = funded(100_000n);
    unwrap(wallet.send(rows, PAYMENT));
    for (const coin of wallet.coins()) {
      wallet.settleDoubt(rows, { txid: coin.txid, index: coin.outputIndex }, coin.reservedFor === WITHDRAWAL);
    }
    expect(wallet.coins().map((coin) => coin.state)).toEqual(["spending", "unconfirmed"]);
    wallet.settleDoubt(rows, { txid: asTxid(new Uint8Array(32)), index: 0 }, true);
  });
});

describe("what others do to its coins", () => {
  it("takes a spend that it did not make for a spend", () => {
    const { wallet, rows, paying, mine, unmine } = funded(100_000n);
    const theft = transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [{ txid: transactionId(paying), index: 0 }]);
    mine(theft);
    expect(wallet.balance()).toEqual(balance(0n));
    expect([...rows.coins.values()]).toMatchObject([{ spentHeight: START + 2 }]);
    unmine();
    // It is in the mempool again, most likely.
    expect(wallet.coins()).toMatchObject([{ state: "spending", spentHeight: undefined }]);
  });

  it("forgets an unconfirmed payment, and all that was built on it, when a block has a conflicting one", () => {
    const { wallet, rows, script, mine } = setup();
    const source = { txid: asTxid(new Uint8Array(32).fill(5)), index: 0 };
    const paying = transactionOf([{ script: script(), amountSat: 70_000n }], [source]);
    const child = transactionOf(
      [{ script: script(), amountSat: 60_000n }],
      [{ txid: transactionId(paying), index: 0 }],
    );
    const conflict = transactionOf([{ script: ELSEWHERE, amountSat: 70_000n }], [source]);
    wallet.noteUnconfirmed(rows, withId(paying));
    wallet.noteUnconfirmed(rows, withId(child));
    expect(wallet.balance()).toEqual(balance(0n, 60_000n));
    mine(conflict);
    expect(wallet.balance()).toEqual(balance(0n));
    expect(rows.coins.size).toBe(0);
    wallet.noteUnconfirmed(rows, withId(paying));
    expect(rows.coins.size).toBe(0);
  });

  it("replaces an unconfirmed payment by the one that replaced it in the mempool", () => {
    const { wallet, rows, script } = setup();
    const source = { txid: asTxid(new Uint8Array(32).fill(5)), index: 0 };
    for (const amountSat of [70_000n, 60_000n]) {
      wallet.noteUnconfirmed(rows, withId(transactionOf([{ script: script(), amountSat }], [source])));
      expect(wallet.balance()).toEqual(balance(0n, amountSat));
    }
    wallet.noteUnconfirmed(rows, withId(transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [source])));
    expect(rows.coins.size).toBe(0);
  });

  it("frees what a withdrawal held besides the coin that somebody else spent", () => {
    const { wallet, rows, paying, mine } = funded(40_000n, 30_000n);
    unwrap(wallet.send(rows, PAYMENT));
    mine(transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [{ txid: transactionId(paying), index: 0 }]));
    expect(wallet.balance()).toEqual(balance(30_000n));
    expect(wallet.coins()).toMatchObject([{ state: "confirmed", reservedFor: undefined }]);
  });

  it("is not made to build on the change of a transaction in which somebody else has a part", () => {
    const { wallet, rows, paying, script } = funded(40_000n);
    const inputs = [
      { txid: transactionId(paying), index: 0 },
      { txid: asTxid(new Uint8Array(32).fill(5)), index: 0 },
    ];
    wallet.broadcastNoted(rows, transactionOf([{ script: script(), amountSat: 90_000n }], inputs));
    expect(wallet.balance()).toEqual(balance(0n, 90_000n));
    expect(wallet.send(rows, PAYMENT).ok).toBe(false);
  });
});

describe("reorganisations", () => {
  it("makes what a lost block paid unconfirmed, but for the reward, which is gone", () => {
    const { wallet, rows, script, mine, unmine } = setup();
    const paying = transactionOf([{ script: script(), amountSat: 7n }]);
    mine(coinbaseOf(script(), 50n), paying);
    unmine();
    expect(wallet.balance()).toEqual(balance(0n, 7n));
    expect(rows.coins.size).toBe(1);
    mine();
    mine(paying);
    expect(wallet.coins()).toMatchObject([{ height: START + 2, state: "confirmed" }]);
  });

  it("does the same after a restart, and asks about what it can't know", () => {
    const { rows, script, mine, height } = setup();
    const paying = transactionOf([{ script: script(), amountSat: 7n }]);
    mine(coinbaseOf(script(), 50n), paying);
    const again = rows.open(height());
    again.disconnectBlock(rows, height());
    expect(again.balance()).toEqual(balance(0n, 7n));
    expect(again.doubts()).toEqual([{ txid: transactionId(paying), index: 0 }]);
    again.settleDoubt(rows, { txid: transactionId(paying), index: 0 }, false);
    expect(rows.coins.size).toBe(0);
  });

  it("holds a coin that was made and spent in the lost block", () => {
    const { wallet, script, mine, unmine } = setup();
    const paying = transactionOf([{ script: script(), amountSat: 7n }]);
    const child = transactionOf([{ script: script(), amountSat: 6n }], [{ txid: transactionId(paying), index: 0 }]);
    mine(paying, child);
    expect(wallet.balance()).toEqual(balance(6n));
    unmine();
    expect(wallet.balance()).toEqual(balance(0n, 6n));
    mine(paying);
    expect(wallet.balance()).toEqual(balance(0n, 6n));
    mine(child);
    expect(wallet.balance()).toEqual(balance(6n));
  });

  it("holds spent coins as long as a reorganisation could bring them back, then only their rows stay", () => {
    const { wallet, rows, paying, mine, unmine } = funded(100_000n);
    const spend = transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [{ txid: transactionId(paying), index: 0 }]);
    mine(spend);
    for (let i = 0; i < BLOCKS_KEPT - 1; i++) mine();
    for (let i = 0; i < BLOCKS_KEPT; i++) unmine();
    expect(wallet.coins()).toMatchObject([{ state: "spending" }]);
    mine(spend);
    for (let i = 0; i < BLOCKS_KEPT; i++) mine();
    for (let i = 0; i < BLOCKS_KEPT + 1; i++) unmine();
    expect(wallet.coins()).toEqual([]);
    expect(rows.coins.size).toBe(1);
  });
});

describe("a share of a funding transaction of two", () => {
  const WANTED = { channel: 3, role: "requester", contributionSat: 60_000n, feeRate: 1000 } as const;
  const shared = (...amounts: bigint[]) => {
    const node = funded(...amounts);
    return { ...node, share: unwrap(node.wallet.contribute(node.rows, WANTED)) };
  };
  const plan = (share: ReturnType<typeof shared>["share"], more: FundingInput[] = []) =>
    unwrap(
      planFunding({
        script: payToWitnessScriptHash(Uint8Array.of(0x51)),
        feeRate: 1000,
        requester: { ...share, inputs: [...share.inputs, ...more] },
        responder: { contributionSat: 0n, inputs: [], changeScript: undefined },
      }),
    ).transaction;

  it("[LS-1] reserves confirmed coins and no more than it takes, and frees them when it comes to nothing", () => {
    const { wallet, rows, share } = shared(40_000n, 30_000n, 20_000n);
    expect(share.inputs.map(({ amountSat }) => amountSat).sort()).toEqual([30_000n, 40_000n]);
    expect(wallet.balance()).toEqual(balance(20_000n, 0n, 70_000n));
    expect(wallet.contribute(rows, { ...WANTED, channel: 4 })).toMatchObject({
      ok: false,
      error: { type: "insufficient_funds", availableSat: 20_000n },
    });
    expect(rows.keys.nextChange).toBe(1);
    wallet.release(rows, 4);
    expect(wallet.balance().reservedSat).toBe(70_000n);
    wallet.release(rows, 3);
    expect(wallet.balance()).toEqual(balance(90_000n));
  });

  it("[LS-1] takes no unconfirmed coin, which the peer would refuse", () => {
    const { wallet, rows } = funded(100_000n);
    wallet.broadcastNoted(
      rows,
      parse(unwrap(wallet.fund(rows, { ...WANTED, script: ELSEWHERE, amountSat: 1_000n })).transaction),
    );
    expect(wallet.contribute(rows, WANTED).ok).toBe(false);
  });

  it("[LS-3] signs the inputs that it is told to, and only those that are reserved for the channel", () => {
    const { wallet, rows, share } = shared(70_000n, 30_000n);
    const [own] = share.inputs;
    const other = unwrap(wallet.contribute(rows, { ...WANTED, channel: 4, contributionSat: 10_000n })).inputs[0];
    if (own === undefined || other === undefined) throw new Error("two coins");
    const both = plan(share, [other]);
    const [signature, ...more] = wallet.signShare(3, both, [own]) ?? [];
    expect(more).toEqual([]);
    expect(isFundingSignature(both, own, signature ?? EMPTY)).toBe(true);
    // A coin of ours that we did not list for this channel, whoever did.
    expect(wallet.signShare(3, both, [own, other])).toBeUndefined();
    expect(wallet.signShare(4, both, [own])).toBeUndefined();
    expect(wallet.signShare(3, both, [{ ...own, amountSat: own.amountSat + 1n }])).toBeUndefined();
    expect(wallet.signShare(3, plan(share), [{ ...own, index: own.index + 9 }])).toBeUndefined();
    wallet.release(rows, 3);
    expect(wallet.signShare(3, both, [own])).toBeUndefined();
    expect(wallet.signShare(3, both, [])).toEqual([]);
  });

  it("[LS-1] knows its own coins, reserved or not, for a peer may list them", () => {
    const { wallet, share } = shared(70_000n, 30_000n);
    for (const { txid, outputIndex: index } of wallet.coins()) expect(wallet.has({ txid, index })).toBe(true);
    expect(wallet.has({ txid: share.inputs[0]?.txid ?? asTxid(new Uint8Array(32)), index: 7 })).toBe(false);
  });
});
