export { type BitcoindChain, type BitcoindOptions, bitcoindChain } from "./bitcoind-chain.ts";
export type { ZmqEndpoints } from "./chain-watch.ts";
export type { RpcAuth } from "./rpc-auth.ts";
