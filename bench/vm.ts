// npm run bench:vm: the contract machine alone. As a table, or as JSON with --json.
import { chalangRow, printChalangRow } from "./chalang.ts";

const row = chalangRow();
if (process.argv.includes("--json")) console.log(JSON.stringify({ node: process.version, chalang: row }));
else printChalangRow(row);
