import { readFile } from "node:fs/promises";
import { ChainError } from "../../ports/bitcoin-chain.ts";

/**
 * How to prove to the node that we may call it: the cookie file that it writes anew at each start, or a name and a
 * password of its configuration (`rpcauth`, or `rpcuser` with `rpcpassword`).
 */
export type RpcAuth =
  | { readonly type: "cookie"; readonly file: string }
  | { readonly type: "password"; readonly user: string; readonly password: string };

/** A cookie is `__cookie__:` and 64 digits; a much longer file is something else and stays unread. */
const LONGEST_COOKIE = 1024;

async function readCookie(file: string): Promise<string> {
  let text: string;
  try {
    text = (await readFile(file, "utf8")).trim();
  } catch (cause) {
    // A node that is not running has no cookie: it deletes the file when it stops.
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ChainError(
      missing ? "unreachable" : "unauthorized",
      missing ? `no cookie file ${file}: the node is not running, or its data is elsewhere` : `cannot read ${file}`,
      { cause },
    );
  }
  if (text.length > LONGEST_COOKIE || !text.includes(":")) {
    throw new ChainError("unauthorized", `${file} is not a cookie file`);
  }
  return text;
}

/** The `user:password` to present. `renew` is true after the node refused the last one. */
export function rpcCredentials(auth: RpcAuth): (renew: boolean) => Promise<string> {
  if (auth.type === "password") return async () => `${auth.user}:${auth.password}`;
  let cookie: string | undefined;
  return async (renew) => {
    if (renew || cookie === undefined) cookie = await readCookie(auth.file);
    return cookie;
  };
}
