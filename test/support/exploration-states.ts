const WORDS = 4;
const FIRST_CAPACITY = 1 << 16;

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x9e37_79b1);
  return product ^ (product >>> 15);
}

/** The states seen so far, each as four words that say all of it. Exact: no two states are taken for one. 16 bytes each. */
export class StateSet {
  size = 0;
  private capacity = FIRST_CAPACITY;
  private table = new Uint32Array(FIRST_CAPACITY * WORDS);

  /** Whether the state is new. The first word must not be 0. */
  add(a: number, b: number, c: number, d: number): boolean {
    if (!this.put(a, b, c, d)) return false;
    this.size++;
    if (this.size * 4 > this.capacity * 3) this.grow();
    return true;
  }

  private put(a: number, b: number, c: number, d: number): boolean {
    const { table, capacity } = this;
    let slot = mixed(mixed(mixed(mixed(0, a), b), c), d) & (capacity - 1);
    for (;;) {
      const at = slot * WORDS;
      if (table[at] === 0) {
        table[at] = a;
        table[at + 1] = b;
        table[at + 2] = c;
        table[at + 3] = d;
        return true;
      }
      if (table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d) return false;
      slot = (slot + 1) & (capacity - 1);
    }
  }

  private grow(): void {
    const old = this.table;
    this.capacity *= 2;
    this.table = new Uint32Array(this.capacity * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      const [a = 0, b = 0, c = 0, d = 0] = old.subarray(at, at + WORDS);
      if (a !== 0) this.put(a, b, c, d);
    }
  }
}
