/** Made-up but plausible traffic of a DX cluster. Pure: the same seed gives the same lines. */
import { bands } from "../../radio/bands.ts";

export interface MadeSpot {
  readonly spotter: string;
  /** kHz */
  readonly frequency: number;
  readonly dx: string;
  readonly comment: string;
}

const prefixes =
  "K W N VE G M F DL I EA CT ON PA OZ SM LA OH UA UR SP OK OM HA YO LZ S5 9A SV TA 4X JA HL BY VK ZL PY LU CE ZS 5B VU".split(
    " ",
  );
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const hf = bands.filter(
  (band) => band.low >= 1800 && band.high <= 54000 && band.name !== "60m" && band.name !== "8m",
);

/** How busy each band is, for the choice: 20 m most. */
const weights: Readonly<Record<string, number>> = {
  "20m": 8,
  "40m": 5,
  "15m": 5,
  "10m": 5,
  "17m": 3,
  "80m": 3,
  "30m": 2,
  "12m": 2,
  "160m": 1,
  "6m": 1,
};

const dialFrequencies: Readonly<Record<string, number>> = {
  "160m": 1840,
  "80m": 3573,
  "40m": 7074,
  "30m": 10136,
  "20m": 14074,
  "17m": 18100,
  "15m": 21074,
  "12m": 24915,
  "10m": 28074,
  "6m": 50313,
};

const activeStations = 150;
const activeSpotters = 300;

export class Traffic {
  #state: number;
  /** Who is on the air now: a station is spotted many times, on the frequency where it calls. */
  readonly #onAir: MadeSpot[];
  readonly #spotters: string[];

  constructor(seed: number) {
    this.#state = seed >>> 0;
    this.#spotters = Array.from({ length: activeSpotters }, () => this.call());
    this.#onAir = Array.from({ length: activeStations }, () => this.freshSpot());
  }

  /** Mostly a station that was heard before; the first of the list most often. */
  spot(): MadeSpot {
    const place = Math.floor(this.#unit() ** 2 * activeStations);
    // Stations come and go.
    if (this.#below(40) === 0) this.#onAir[place] = this.freshSpot();
    const known = this.#onAir[place] ?? this.freshSpot();
    const skimmer = known.spotter.endsWith("-#") ? "-#" : "";
    const frequency = Math.round((known.frequency + (this.#below(5) - 2) / 10) * 10) / 10;
    return { ...known, frequency, spotter: this.#pick(this.#spotters) + skimmer };
  }

  /** A station nobody has heard yet. */
  freshSpot(): MadeSpot {
    const band = this.#weighted();
    const style = this.#below(10);
    // The lower fifth is Morse, FT8 sits on its dial frequency, the upper half is voice.
    if (style < 4) {
      const frequency = this.#frequency(band.low, band.low + (band.high - band.low) * 0.2);
      if (style < 2) {
        const comment = `CW    ${this.#between(4, 38)} dB  ${this.#between(14, 36)} WPM  CQ`;
        return { spotter: `${this.call()}-#`, frequency, dx: this.call(), comment };
      }
      return {
        spotter: this.call(),
        frequency,
        dx: this.call(),
        comment: this.#pick(["CW", "up 2", "599 tnx", "cq up", "CW 5NN", ""]),
      };
    }
    if (style < 6) return this.#digital(band.name, band.low);
    const frequency = this.#frequency(band.low + (band.high - band.low) * 0.5, band.high);
    const comment = this.#pick([
      "SSB",
      "59 tnx qso",
      "pota US-1234",
      "IOTA EU-005 qsx 7190.0",
      "loud in EU",
      "CQ contest 59 14",
      "QSX 7190.0",
      "up 5-10",
      `${this.grid()}<>${this.grid()} 59`,
      "strong signal, gr\u00fc\u00dfe",
      "",
      "73!",
    ]);
    return { spotter: this.call(), frequency, dx: this.#portable(), comment };
  }

  #digital(band: string, low: number): MadeSpot {
    const dial = dialFrequencies[band] ?? low;
    const kind = this.#below(10);
    const spot = { spotter: this.call(), dx: this.call() };
    if (kind < 7) {
      const comment = `FT8 ${this.#between(-24, 12)} dB ${this.grid()}`;
      return { ...spot, frequency: this.#frequency(dial, dial + 2.9), comment };
    }
    const comment = this.#pick(["RTTY", "BPSK31 tnx", "FT4", "JS8 +3 dB", "RTTY 599 up 1"]);
    return { ...spot, frequency: this.#frequency(dial + 5, dial + 10), comment };
  }

  /** Now and then somebody is abroad or on the road. */
  #portable(): string {
    const call = this.call();
    const kind = this.#below(20);
    if (kind === 0) return `${call}/P`;
    if (kind === 1) return `${this.#pick(prefixes)}/${call}`;
    return call;
  }

  call(): string {
    const suffix = Array.from({ length: this.#between(1, 3) }, () => letters[this.#below(26)]).join(
      "",
    );
    return `${this.#pick(prefixes)}${this.#below(10)}${suffix}`;
  }

  grid(): string {
    return `${letters[this.#below(18)]}${letters[this.#below(18)]}${this.#below(10)}${this.#below(10)}`;
  }

  /** Bytes no cluster should send. */
  garbage(): Buffer {
    const kind = this.#below(5);
    if (kind === 0)
      return Buffer.from(Array.from({ length: this.#between(5, 200) }, () => this.#below(256)));
    if (kind === 1) return Buffer.from(`DX de ${"X".repeat(this.#between(5_000, 20_000))}\r\n`);
    if (kind === 2) return Buffer.from("DX de nobody in particular\r\n");
    if (kind === 3)
      return Buffer.from("DX de OE1\xc4\xd6\xdc: 14025.0 caf\xe9 gr\xfc\xdfe\r\n", "latin1");
    return Buffer.from([0xff, 0xfb, 0x01, 0, 0, 0x0d, 0x0a]);
  }

  /** WWV mostly, WCY now and then: what the two real stations send. */
  solar(hour: number): string {
    const stamp = String(hour).padStart(2, "0");
    if (this.#below(3) === 0) {
      const k = this.#between(0, 6);
      return `WCY de DK0WCY-1 <${stamp}> : K=${k} expK=${k} A=${this.#between(2, 30)} R=${this.#between(20, 180)} SFI=${this.#between(90, 220)} SA=qui GMF=qui Au=no`;
    }
    return `WWV de AE5E <${stamp}>:   SFI=${this.#between(90, 220)}, A=${this.#between(2, 30)}, K=${this.#between(0, 6)}, No Storms -> No Storms`;
  }

  /** People talking, and the weather. */
  chatter(): string {
    const call = this.call();
    return this.#pick([
      `To ALL de ${call}: qrz for 6m tonight?`,
      `To LOCAL de ${call}: meeting on Friday`,
      `WX de ${call}: rain, 8 C, wind from the west`,
      `${call} de SIM0-1: qsl via bureau ok?`,
    ]);
  }

  #weighted(): { name: string; low: number; high: number } {
    const total = hf.reduce((sum, band) => sum + (weights[band.name] ?? 1), 0);
    let rest = this.#below(total);
    for (const band of hf) {
      rest -= weights[band.name] ?? 1;
      if (rest < 0) return band;
    }
    return { name: "20m", low: 14000, high: 14350 };
  }

  #frequency(low: number, high: number): number {
    return Math.round((low + (high - low) * this.#unit()) * 10) / 10;
  }

  #pick(words: readonly string[]): string {
    return words[this.#below(words.length)] ?? "";
  }

  #between(low: number, high: number): number {
    return low + this.#below(high - low + 1);
  }

  #below(limit: number): number {
    return Math.floor(this.#unit() * limit);
  }

  /** mulberry32 */
  #unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
