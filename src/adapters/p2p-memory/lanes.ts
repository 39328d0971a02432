import type { NodeId } from "../../core/base/index.ts";
import { toHex } from "../../core/base/index.ts";
import type { Clock } from "../../ports/clock.ts";

type Entry = {
  /** Place in the order in which everything on the network was sent. */
  readonly order: number;
  /** The clock's time from which on it may be delivered. */
  readonly due: number;
  /** Something a node notices by itself: neither held nor delayed. */
  readonly local: boolean;
  readonly deliver: () => void;
};

/** What travels from one node to another within one connection: first in, first out. */
export type Lane = {
  push(deliver: () => void): void;
  /** Throws away what waits; then only `deliver` waits, whatever is held or delayed. */
  replace(deliver: () => void): void;
  clear(): void;
  /** Until it is opened, a lane made closed delivers nothing. */
  open(): void;
};

type LaneState = { readonly route: string; entries: Entry[]; head: number; open: boolean };

/** All lanes of a network. Nothing moves but by `deliverOne`. */
export type Lanes = {
  lane(from: NodeId, to: NodeId, open: boolean): Lane;
  /** How many lanes could deliver now. */
  choices(): number;
  deliverOne(choice: number): boolean;
  hold(from: NodeId, to: NodeId): void;
  release(from: NodeId, to: NodeId): void;
  delay(from: NodeId, to: NodeId, ms: number): void;
  nextDue(): number | undefined;
};

/** A route is a direction between two nodes, over all their connections. */
function routeOf(from: NodeId, to: NodeId): string {
  return `${toHex(from)}>${toHex(to)}`;
}

function headOf(lane: LaneState): Entry | undefined {
  return lane.entries[lane.head];
}

/** Takes the first entry; the array is cut seldom, so that a long queue costs no more per entry than a short one. */
function takeHead(lane: LaneState): Entry | undefined {
  const entry = headOf(lane);
  lane.head++;
  if (lane.head >= 1024 && lane.head * 2 >= lane.entries.length) {
    lane.entries = lane.entries.slice(lane.head);
    lane.head = 0;
  }
  return entry;
}

function laneHandle(state: LaneState, busy: Set<LaneState>, entry: (local: boolean, run: () => void) => Entry): Lane {
  const clear = (): void => {
    state.entries = [];
    state.head = 0;
    busy.delete(state);
  };
  return {
    push(deliver) {
      state.entries.push(entry(false, deliver));
      busy.add(state);
    },
    replace(deliver) {
      clear();
      state.entries.push(entry(true, deliver));
      busy.add(state);
    },
    clear,
    open() {
      state.open = true;
    },
  };
}

export function createLanes(clock: Clock | undefined): Lanes {
  /** The lanes in which something waits. */
  const busy = new Set<LaneState>();
  const held = new Set<string>();
  const delays = new Map<string, number>();
  const now = (): number => clock?.now() ?? 0;
  let sent = 0;

  const deliverable = (): LaneState[] => {
    const time = now();
    const lanes = [...busy].filter((lane) => {
      const head = headOf(lane);
      if (head === undefined || !lane.open) return false;
      return head.local || (head.due <= time && !held.has(lane.route));
    });
    return lanes.sort((a, b) => (headOf(a)?.order ?? 0) - (headOf(b)?.order ?? 0));
  };

  return {
    lane(from, to, open) {
      const state: LaneState = { route: routeOf(from, to), entries: [], head: 0, open };
      return laneHandle(state, busy, (local, deliver) => {
        return { order: sent++, due: now() + (local ? 0 : (delays.get(state.route) ?? 0)), local, deliver };
      });
    },
    choices: () => deliverable().length,
    deliverOne(choice) {
      const lanes = deliverable();
      const lane = lanes[choice % lanes.length];
      if (lane === undefined) return false;
      const entry = takeHead(lane);
      if (headOf(lane) === undefined) busy.delete(lane);
      entry?.deliver();
      return true;
    },
    hold: (from, to) => void held.add(routeOf(from, to)),
    release: (from, to) => void held.delete(routeOf(from, to)),
    delay: (from, to, ms) => void delays.set(routeOf(from, to), ms),
    nextDue() {
      const time = now();
      const dues = [...busy].filter((lane) => !held.has(lane.route)).map((lane) => headOf(lane)?.due ?? 0);
      const later = dues.filter((due) => due > time);
      return later.length === 0 ? undefined : Math.min(...later);
    },
  };
}
