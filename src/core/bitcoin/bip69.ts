// The order of inputs and outputs that both sides of a channel derive by themselves. Spec: LW-1, LW-6. Source: BIP 69.
import { compareBytes, type Txid } from "../base/index.ts";

/** By displayed txid, hence from the last byte of the serialised one, then by index. */
export function compareInputs(
  a: { readonly txid: Txid; readonly index: number },
  b: { readonly txid: Txid; readonly index: number },
): number {
  for (let i = a.txid.length - 1; i >= 0; i--) {
    const difference = (a.txid[i] ?? 0) - (b.txid[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.index - b.index;
}

/** By amount, then by script. */
export function compareOutputs(
  a: { readonly amountSat: bigint; readonly script: Uint8Array },
  b: { readonly amountSat: bigint; readonly script: Uint8Array },
): number {
  if (a.amountSat !== b.amountSat) return a.amountSat < b.amountSat ? -1 : 1;
  return compareBytes(a.script, b.script);
}
