import { invariant } from "../base/index.ts";

/**
 * Names a key without holding it: a BIP 32 path from the seed (hardened numbers are 0x80000000 and more) and, where
 * given, 32 bytes that are added to the secret key. Plain data, so that it can stand in a row or an effect.
 */
export interface KeyReference {
  readonly path: readonly number[];
  readonly tweak?: Uint8Array;
}

/** SLIP 44 coin type: 0 on the main chain, 1 on every test chain. Keys of different chains are never the same. */
export type CoinType = 0 | 1;

/** Where each of the node's keys lies under the seed. */
export interface KeyPaths {
  /** The node's static key, its identity to peers: m/1017'/coin'/0'. */
  nodeKey(): KeyReference;
  /** A key of the wallet: m/84'/coin'/0'/change/index; `change` is 0 for receiving, 1 for change. Source: BIP 84. */
  walletKey(change: 0 | 1, index: number): KeyReference;
  /** Our key in a channel's anchor: m/1017'/coin'/1'/channel'. Fresh per channel. */
  commitKey(channelIndex: number): KeyReference;
  /**
   * Our key in a channel's outputs: m/1017'/coin'/2'/channel'. It depends on the channel's number alone, so that the
   * seed phrase and the number of channels are enough to find the to-other outputs of lost channels.
   */
  finalKey(channelIndex: number): KeyReference;
}

const HARDENED = 0x80000000;
const PURPOSE_WALLET = 84;
/** The purpose that Lightning nodes use for keys which aren't a wallet's. */
const PURPOSE_NODE = 1017;

function hardened(index: number): number {
  return normal(index) + HARDENED;
}

function normal(index: number): number {
  invariant(Number.isInteger(index) && index >= 0 && index < HARDENED, `not a key index: ${index}`);
  return index;
}

/** The paths for one chain. An index is from 0 to 2^31 - 1; another throws InvariantBroken. */
export function keyPaths(coin: CoinType): KeyPaths {
  const node = [hardened(PURPOSE_NODE), hardened(coin)];
  const wallet = [hardened(PURPOSE_WALLET), hardened(coin), hardened(0)];
  return {
    nodeKey: () => ({ path: [...node, hardened(0)] }),
    walletKey: (change, index) => ({ path: [...wallet, normal(change), normal(index)] }),
    commitKey: (channelIndex) => ({ path: [...node, hardened(1), hardened(channelIndex)] }),
    finalKey: (channelIndex) => ({ path: [...node, hardened(2), hardened(channelIndex)] }),
  };
}
