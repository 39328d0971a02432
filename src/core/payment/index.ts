export type { InvoiceRow, PaymentRow } from "./rows.ts";
