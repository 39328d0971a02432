// The tests of how channels end once more, with a crash after every step of either party: the rows alone say what follows.
import "../support/every-step-crashes.ts";
import "./close.test.ts";
import "./enforcement.test.ts";
import "./resolution.test.ts";
