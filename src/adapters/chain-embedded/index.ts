export { type BadBlock, Chain, type MineOptions, type SubmitResult } from "./chain.ts";
export { embeddedChain } from "./embedded-chain.ts";
export type { FaucetEmpty } from "./faucet.ts";
export type { Rejection } from "./rejection.ts";
export { type ChainServer, type ChainServerOptions, serveChain } from "./rpc-server.ts";
