import { describe, expect, it } from "vitest";
import { ELSEWHERE, parse, transactionOf, unwrap, WalletRows, withId } from "../../test/support/wallet-rows.ts";
import { type Satoshi, sat, type Txid, toHex } from "../core/base/index.ts";
import { addressToScript, type Transaction, transactionId } from "../core/bitcoin/index.ts";
import { World } from "../testing/index.ts";
import { BLOCKS_KEPT } from "./chain-follower.ts";
import { type BitcoinChain, ChainError } from "./index.ts";

const AMOUNT = sat(60_000n);

type Give = BitcoinChain["broadcast"];

const away: Give = () => Promise.reject(new ChainError("unreachable", "the chain is away"));

/** Alice with coins of 100,000 sat. */
async function funded(coins = 1) {
  let give: Give | undefined;
  const world = new World({
    nodes: ["alice"],
    commitMs: { least: 5, most: 5 },
    taps: { chain: (chain) => ({ ...chain, broadcast: (transaction) => (give ?? chain.broadcast)(transaction) }) },
  });
  await world.start();
  const alice = world.node("alice");
  await world.fund(alice, 100_000n, coins);
  const { chain } = world;
  return {
    world,
    chain,
    alice,
    /** What the chain's node says from now on. */
    giving: (change: Give | undefined) => {
      give = change;
    },
    withdraw: async (amount: Satoshi | "all" = AMOUNT) => {
      const made = await world.outcome(alice.node.withdraw(ELSEWHERE, amount));
      if (!made.ok) throw new Error(made.error.type);
      return toHex(made.value);
    },
    restart: async () => {
      alice.crash();
      await alice.start();
      await world.settle();
    },
    /** In the mempool. */
    waiting: () => chain.waiting().map(({ txid }) => toHex(txid)),
    /** What it has evicted is not in the next block, and is in nobody's mempool. */
    loseMempool: () => {
      chain.mempoolMinimum = 1_000_000;
      chain.mempoolMinimum = 0;
    },
    states: () => alice.node.withdrawals().map(({ state, height }) => ({ state, height })),
    /** What was told of them. */
    told: () => alice.events.flatMap((event) => (event.type === "withdrawal" ? [event.state] : [])),
    paid: () => chain.tip.transactions.some(({ transaction }) => transaction.outputs.some(isPaid)),
  };
}

function isPaid({ script, amountSat }: { readonly script: Uint8Array; readonly amountSat: bigint }): boolean {
  return amountSat === AMOUNT && toHex(script) === toHex(ELSEWHERE);
}

describe("withdrawals", () => {
  it("are listed with what they pay, until their block is buried", async () => {
    const { world, alice, withdraw, told, states } = await funded();
    const txid = await withdraw();
    const [made] = alice.node.withdrawals();
    expect(made).toMatchObject({ script: ELSEWHERE, amountSat: AMOUNT, state: "unconfirmed", refusal: undefined });
    expect(toHex(made?.txid ?? new Uint8Array())).toBe(txid);
    await world.mine(1);
    expect(states()).toEqual([{ state: "confirmed", height: world.chain.tip.height }]);
    expect(told()).toEqual(["confirmed"]);
    expect(alice.node.balance().confirmedSat).toBe(40_000n - (made?.feeSat ?? 0n));
    await world.mine(199);
    expect(states()).toHaveLength(1);
    await world.mine(1);
    expect(states()).toEqual([]);
    expect((await alice.store.load()).withdrawals).toEqual([]);
  });

  it("are given to the network at the next start where the first try came to nothing", async () => {
    const { giving, withdraw, restart, waiting } = await funded();
    giving(away);
    const txid = await withdraw();
    expect(waiting()).toEqual([]);
    giving(undefined);
    await restart();
    expect(waiting()).toEqual([txid]);
  });

  it("are given again with the next block where the chain could not be asked", async () => {
    const { world, giving, withdraw, waiting, states } = await funded();
    giving(away);
    const txid = await withdraw();
    giving(undefined);
    await world.mine(1);
    expect(waiting()).toEqual([txid]);
    await world.mine(1);
    expect(states()).toMatchObject([{ state: "confirmed" }]);
  });

  it.each([true, false])(
    "are given again when the mempool has lost them, with a restart in between: %s",
    async (does) => {
      const { world, withdraw, restart, waiting, loseMempool, alice } = await funded(2);
      // The second is built on the change of the first.
      const txids = [await withdraw(sat(95_000n)), await withdraw(sat(95_000n)), await withdraw(sat(7_000n))];
      loseMempool();
      expect(waiting()).toEqual([]);
      const before = alice.node.balance();
      if (does) await restart();
      else await world.mine(1);
      expect(waiting()).toEqual(txids);
      expect(alice.node.balance()).toEqual(before);
    },
  );

  it.each([false, true])("of a crash at the commit are there afterwards, whole, or not at all: %s", async (written) => {
    const { world, alice, waiting, states, paid } = await funded();
    alice.planCommit(0, { type: "crash", written });
    const asked = alice.node.withdraw(ELSEWHERE, AMOUNT).catch(() => "gone");
    expect(await world.outcome(asked)).toBe("gone");
    expect(waiting()).toEqual([]);
    await alice.start();
    await world.settle();
    expect(states()).toEqual(written ? [{ state: "unconfirmed", height: undefined }] : []);
    expect(waiting()).toHaveLength(written ? 1 : 0);
    await world.mine(1);
    expect(paid()).toBe(written);
    if (!written) expect(alice.node.balance().confirmedSat).toBe(100_000n);
  });

  it("are refused with the reason, and nothing comes of them", async () => {
    const { world, chain, alice, states, restart, waiting } = await funded();
    chain.mempoolMinimum = 50_000;
    const before = alice.node.balance();
    expect(await world.outcome(alice.node.withdraw(ELSEWHERE, AMOUNT))).toEqual({
      ok: false,
      error: { type: "withdrawal_refused", reason: "mempool min fee not met" },
    });
    expect(states()).toEqual([]);
    expect(alice.node.balance()).toEqual(before);
    chain.mempoolMinimum = 0;
    await restart();
    expect(waiting()).toEqual([]);
  });

  it("stay, and say why they wait, where they were durable before they were refused", async () => {
    const { world, chain, alice, giving, withdraw, restart, waiting } = await funded();
    giving(away);
    const txid = await withdraw();
    giving(undefined);
    chain.mempoolMinimum = 50_000;
    await restart();
    expect(alice.node.withdrawals()).toMatchObject([{ state: "unconfirmed", refusal: "mempool min fee not met" }]);
    expect(alice.node.balance()).toMatchObject({ confirmedSat: 0n, reservedSat: 0n });
    chain.mempoolMinimum = 0;
    await world.mine(1);
    expect(waiting()).toEqual([txid]);
    expect(alice.node.withdrawals()).toMatchObject([{ refusal: undefined }]);
  });

  it("wait again after a reorganisation, also one during which the node was down", async () => {
    for (const down of [false, true]) {
      const { world, chain, alice, withdraw, states, told } = await funded();
      await withdraw();
      await world.mine(3);
      const block = chain.blockAt(chain.tip.height - 2);
      if (block === undefined) throw new Error("there is a block");
      if (down) alice.crash();
      chain.invalidate(block);
      chain.mine(1, { transactions: [] });
      chain.mine(3, { transactions: [] });
      if (down) await alice.start();
      await world.settle();
      expect(states()).toEqual([{ state: "unconfirmed", height: undefined }]);
      expect(told()).toEqual(["confirmed", "unconfirmed"]);
      await world.mine(1);
      expect(states()).toMatchObject([{ state: "confirmed" }]);
    }
  });
});

describe("a withdrawal that another transaction crosses", () => {
  const START = 1_000;

  /** A wallet with confirmed coins, as the node uses it. */
  function funded(...amounts: bigint[]) {
    const rows = new WalletRows();
    let wallet = rows.open(START);
    let height = START;
    const script = unwrap(addressToScript(wallet.newAddress(rows), "regtest"));
    const paying = transactionOf(amounts.map((amountSat) => ({ script, amountSat })));
    const mine = (...transactions: Transaction[]) => wallet.connectBlock(rows, ++height, transactions.map(withId));
    mine(paying);
    return {
      rows,
      paying,
      mine,
      unmine: () => wallet.disconnectBlock(rows, height--),
      height: () => height,
      /** After a restart. */
      again: () => {
        wallet = rows.open(height);
      },
      send: (amountSat: bigint | "all") => {
        const made = unwrap(wallet.send(rows, { script: ELSEWHERE, amountSat, feeRate: 1_000 }));
        wallet.withdrawals.answered(made.txid);
        return parse(made.transaction);
      },
      list: () => wallet.withdrawals.list(),
      states: () => wallet.withdrawals.list().map(({ state, height }) => `${state} ${height}`),
      due: () => wallet.withdrawals.due().map(toHex),
      answer: (txid: Txid, refusal?: string) => wallet.withdrawals.givenAgain(rows, txid, refusal),
      settleInput: (outpoint: { txid: Txid; index: number }, unspent: boolean) =>
        wallet.withdrawals.settleInput(rows, outpoint, unspent, height),
      balance: () => wallet.balance(),
      noteUnconfirmed: (transaction: Transaction) => wallet.noteUnconfirmed(rows, withId(transaction)),
    };
  }

  /** It spends the first coin elsewhere. */
  function crossing(paying: Transaction): Transaction {
    return transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [{ txid: transactionId(paying), index: 0 }]);
  }

  it("in a block can't be in any; its other coins are free, and it is forgotten once that is buried", () => {
    const { send, mine, paying, states, due, balance, again, rows } = funded(40_000n, 30_000n);
    send(50_000n);
    mine(crossing(paying));
    for (const restart of [false, true]) {
      if (restart) again();
      expect(states()).toEqual([`conflicted ${START + 2}`]);
      expect(due()).toEqual([]);
      expect(balance()).toEqual({ confirmedSat: 30_000n, unconfirmedSat: 0n, reservedSat: 0n });
    }
    for (let n = 1; n < BLOCKS_KEPT; n++) mine();
    expect(rows.withdrawals.size).toBe(1);
    mine();
    expect([states(), rows.withdrawals.size]).toEqual([[], 0]);
  });

  it("goes with what was built on its change", () => {
    const { send, mine, paying, states } = funded(100_000n);
    send(50_000n);
    send(30_000n);
    mine(crossing(paying));
    expect(states()).toEqual([`conflicted ${START + 2}`, `conflicted ${START + 2}`]);
  });

  it("is due again when a reorganisation takes the other away, and holds its coins once the network has taken it", () => {
    for (const restart of [false, true]) {
      const { send, mine, unmine, paying, states, due, balance, answer, again } = funded(40_000n, 30_000n);
      const made = send(50_000n);
      const before = balance();
      mine(crossing(paying));
      unmine();
      if (restart) again();
      expect(states()).toEqual(["unconfirmed undefined"]);
      expect(due()).toEqual([toHex(transactionId(made))]);
      answer(transactionId(made), "txn-mempool-conflict");
      answer(transactionId(made));
      expect(balance()).toEqual(before);
      mine(made);
      expect(states()).toEqual([`confirmed ${START + 2}`]);
    }
  });

  it("is left alone where its coins were spent anew meanwhile", () => {
    for (const restart of [false, true]) {
      const { send, mine, unmine, paying, states, due, again } = funded(40_000n, 30_000n);
      send(50_000n);
      mine(crossing(paying));
      const second = send(20_000n);
      unmine();
      if (restart) again();
      expect(states()).toEqual(["unconfirmed undefined", "unconfirmed undefined"]);
      expect(due()).toEqual([toHex(transactionId(second))]);
      mine(second);
      expect(states()).toEqual([`conflicted ${START + 2}`, `confirmed ${START + 2}`]);
    }
  });

  it("of the mempool is given again, and takes its place where the network takes it", () => {
    const { send, noteUnconfirmed, paying, due, balance, answer, states } = funded(40_000n, 30_000n);
    const made = send(50_000n);
    const before = balance();
    noteUnconfirmed(crossing(paying));
    expect(balance().confirmedSat).toBe(30_000n);
    expect(due()).toEqual([toHex(transactionId(made))]);
    answer(transactionId(made));
    expect(balance()).toEqual(before);
    expect(states()).toEqual(["unconfirmed undefined"]);
  });

  it("ends with the payment that it spends, where a reorganisation brings another in its place", () => {
    for (const restart of [false, true]) {
      const source = { txid: transactionId(transactionOf([])), index: 0 };
      const { send, mine, unmine, paying, states, again, answer, settleInput, balance, height } = funded(100_000n);
      const made = send(50_000n);
      unmine();
      if (restart) again();
      expect(states()).toEqual(["unconfirmed undefined"]);
      const [input] = paying.inputs;
      mine(transactionOf([{ script: ELSEWHERE, amountSat: 1n }], [input ?? source]));
      if (restart) {
        // Nobody remembers what the payment spent: the chain tells.
        expect(states()).toEqual(["unconfirmed undefined"]);
        const inputs = answer(transactionId(made), "bad-txns-inputs-missingorspent");
        expect(inputs).toMatchObject([{ txid: transactionId(paying), index: 0 }]);
        for (const one of inputs) settleInput(one, true);
        expect(states()).toEqual(["unconfirmed undefined"]);
        for (const one of inputs) settleInput(one, false);
      }
      expect(states()).toEqual([`conflicted ${height()}`]);
      expect(balance()).toEqual({ confirmedSat: 0n, unconfirmedSat: 0n, reservedSat: 0n });
      // It comes back after all.
      unmine();
      mine(paying);
      expect(states()).toEqual(["unconfirmed undefined"]);
    }
  });
});
