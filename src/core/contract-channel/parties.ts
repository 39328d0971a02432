/** The two accounts of a channel, by who opened it. Their order is fixed, and every pair stands in it. */
export type Party = "initiator" | "responder";

/** One value for each party. */
export type Pair<T> = { readonly initiator: T; readonly responder: T };

export function otherParty(party: Party): Party {
  return party === "initiator" ? "responder" : "initiator";
}
