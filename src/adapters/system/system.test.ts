import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toHex } from "../../core/base/index.ts";
import { systemClock, systemRandom } from "./index.ts";

describe("the system's clock", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it("calls once, not before the time has passed", () => {
    const action = vi.fn();
    systemClock().after(1000, action);
    vi.advanceTimersByTime(999);
    expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(100_000);
    expect(action).toHaveBeenCalledTimes(1);
  });

  it("keeps a delay longer than setTimeout can", () => {
    const days60 = 60 * 24 * 3600 * 1000;
    const action = vi.fn();
    const start = systemClock().now();
    systemClock().after(days60, () => action(systemClock().now() - start));
    vi.advanceTimersByTime(days60 - 1);
    expect(action).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(action).toHaveBeenCalledExactlyOnceWith(days60);
  });

  it("does not call what was cancelled, in the first leg of a long delay or a later one", () => {
    const action = vi.fn();
    const cancelFirst = systemClock().after(5000, action);
    const cancelLater = systemClock().after(2 ** 31 + 5000, action);
    cancelFirst();
    vi.advanceTimersByTime(2 ** 31);
    cancelLater();
    vi.advanceTimersByTime(10_000);
    expect(action).not.toHaveBeenCalled();
  });
});

describe("the system's randomness", () => {
  it("gives as many bytes as asked for, different each time", () => {
    const random = systemRandom();
    expect(random.bytes(0)).toHaveLength(0);
    const drawn = Array.from({ length: 100 }, () => random.bytes(32));
    expect(drawn.every((bytes) => bytes.length === 32)).toBe(true);
    expect(new Set(drawn.map(toHex)).size).toBe(100);
  });
});
