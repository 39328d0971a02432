// Runs a world with faults of every kind and prints the digest of its trace. Usage: stormy-world.js SEED
import { ALL_FAULTS, stormyWorld } from "../support/stormy-world.ts";

const world = await stormyWorld(Number(process.argv[2]), ALL_FAULTS);
console.log(world.trace.digest());
