/** With commas between groups of three digits: 1234567 is `1,234,567`. */
export function grouped(value: bigint | number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1,234.567` of 1,234,567 millisatoshi. All three decimals are always there. */
export function satWithDecimals(msat: bigint): string {
  const absolute = msat < 0n ? -msat : msat;
  return `${msat < 0n ? "-" : ""}${grouped(absolute / 1000n)}.${(absolute % 1000n).toString().padStart(3, "0")}`;
}

/** `12 ms`, or `3.4 s` from a second on. */
export function duration(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The first digits of an id, enough for people to tell ids apart. */
export function shortened(hex: string): string {
  return hex.length <= 12 ? hex : `${hex.slice(0, 12)}…`;
}
