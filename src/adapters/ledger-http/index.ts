export { httpLedger } from "./http-ledger.ts";
