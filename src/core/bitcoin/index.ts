export {
  type BadTransaction,
  type BadTransactionReason,
  parseTransaction,
  serializeTransaction,
  type Transaction,
  type TransactionInput,
  type TransactionOutput,
  transactionId,
  transactionWeight,
  virtualSize,
} from "./transaction.ts";
