/** What the exit codes of every command mean. A command that a signal ends has 128 and the signal's number, as is usual. */
export const EXIT = {
  ok: 0,
  /** It did not add up, or something went wrong that should not. */
  failed: 1,
  /** An option or argument can't be used. */
  usage: 2,
  /** What the command stands on can't be used: bitcoind, the data directory, the disk, a port. */
  environment: 3,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** For the end of a command's help. */
export const EXIT_CODES_HELP = `
Exit codes:
  0    all went well
  1    it failed or did not add up: the last line of the messages says why
  2    an option or argument can't be used
  3    something that is needed is missing or can't be used: bitcoind, the data
       directory, the disk or a port
  130  ended by Ctrl-C (143 by SIGTERM), with everything put in order
`;
