/** The longest packet of any family, its family byte included; a transport message has 11 bytes besides at the most. */
export const MAX_PACKET_BYTES = 65_000;
/** The longest copy of a peer's data that is kept. */
export const MAX_COPY_BYTES = 64_000;
/** Channels in one `authenticate`: as many as always fit into a packet, 96 bytes each. */
export const MAX_AUTHENTICATE_CHANNELS = 650;
/** Revocation hashes in open_channel besides the first two: 16 unrevoked commitments (LS-14). */
export const MAX_REVOCATION_WINDOW = 14;

/** Inputs that one party brings into a funding transaction. */
export const MAX_FUNDING_INPUTS = 20;

export const MAX_ROUTE_BYTES = 4_096;
export const MAX_REASON_BYTES = 4_096;
export const MAX_FEATURES_BYTES = 256;
/** The longest output script that an address stands for: a witness program of 40 bytes (BIP 141). */
export const MAX_CLOSE_SCRIPT_BYTES = 42;
/** In UTF-16 units. */
export const MAX_PROBLEM_LENGTH = 1_024;

/** The most blocks that CHECKSEQUENCEVERIFY can express (BIP 68). */
export const MAX_DELAY_BLOCKS = 65_535;
/** The highest block height that a locktime can express: from 500,000,000 on it is a time (B2-57). */
export const MAX_EXPIRY_HEIGHT = 499_999_999;

export const MAX_UINT32 = 0xffff_ffff;
export const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
