/** The two accounts of a channel, by who opened it. Their order is fixed, and every pair stands in it. */
export type Party = "initiator" | "responder";

/** One value for each party. */
export type Pair<T> = { readonly initiator: T; readonly responder: T };

export function otherParty(party: Party): Party {
  return party === "initiator" ? "responder" : "initiator";
}

/** The pair with one of its values replaced. */
export function withParty<T>(pair: Pair<T>, party: Party, value: T): Pair<T> {
  return party === "initiator" ? { ...pair, initiator: value } : { ...pair, responder: value };
}

export const PARTIES: readonly Party[] = ["initiator", "responder"];
