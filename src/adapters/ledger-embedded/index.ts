export { embeddedLedger } from "./embedded-ledger.ts";
export { type EmbeddedLedger, openLedger } from "./ledger.ts";
export { serveLedger } from "./server.ts";
