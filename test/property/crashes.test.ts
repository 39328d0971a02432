// The tests of how channels end once more, with a crash after every step of either party: the rows alone say what follows.
import "./close.test.ts";
import "./enforcement.test.ts";
import "./resolution.test.ts";
import { everyStepCrashes } from "../support/channel-pair.ts";

everyStepCrashes();
