// Imported before the tests of another file, which are then run with a crash after every step.
import { vi } from "vitest";
import { everyStepCrashes } from "./channel-pair.ts";

everyStepCrashes();
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
