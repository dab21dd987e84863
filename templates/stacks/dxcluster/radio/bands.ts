/**
 * Amateur bands and where in them which mode lives. Edges in kHz: the widest allocation of the three
 * ITU regions; segments follow the IARU region 1 band plan, with the digital calling frequencies that
 * are the same worldwide. Pure data and look-ups.
 */
export interface Band {
  readonly name: string;
  /** kHz, inclusive. */
  readonly low: number;
  /** kHz, inclusive. */
  readonly high: number;
}

export const bands: readonly Band[] = [
  { name: "2200m", low: 135.7, high: 137.8 },
  { name: "630m", low: 472, high: 479 },
  { name: "160m", low: 1800, high: 2000 },
  { name: "80m", low: 3500, high: 4000 },
  { name: "60m", low: 5250, high: 5450 },
  { name: "40m", low: 7000, high: 7300 },
  { name: "30m", low: 10100, high: 10150 },
  { name: "20m", low: 14000, high: 14350 },
  { name: "17m", low: 18068, high: 18168 },
  { name: "15m", low: 21000, high: 21450 },
  { name: "12m", low: 24890, high: 24990 },
  { name: "10m", low: 28000, high: 29700 },
  { name: "8m", low: 40000, high: 41000 },
  { name: "6m", low: 50000, high: 54000 },
  { name: "4m", low: 69900, high: 71000 },
  { name: "2m", low: 144000, high: 148000 },
  { name: "1.25m", low: 219000, high: 225000 },
  { name: "70cm", low: 420000, high: 450000 },
  { name: "33cm", low: 902000, high: 928000 },
  { name: "23cm", low: 1240000, high: 1325000 },
  { name: "13cm", low: 2300000, high: 2450000 },
  { name: "9cm", low: 3300000, high: 3500000 },
  { name: "6cm", low: 5650000, high: 5925000 },
  { name: "3cm", low: 10000000, high: 10500000 },
  { name: "1.25cm", low: 24000000, high: 24250000 },
  { name: "6mm", low: 47000000, high: 47200000 },
];

export type Mode = string;

interface Segment {
  readonly low: number;
  readonly high: number;
  readonly mode: Mode;
}

/** Digital calling frequencies: 3 kHz of audio above the dial frequency. Looked at before the segments. */
const callingFrequencies: readonly Segment[] = [
  ...[1840, 3573, 5357, 7074, 10136, 14074, 18100, 21074, 24915, 28074, 50313, 70154, 144174].map(
    (dial): Segment => ({ low: dial, high: dial + 3, mode: "FT8" }),
  ),
  ...[3575, 7047.5, 10140, 14080, 18104, 21140, 24919, 28180, 50318].map((dial): Segment => ({
    low: dial,
    high: dial + 3,
    mode: "FT4",
  })),
];

const segments: readonly Segment[] = [
  { low: 135.7, high: 137.8, mode: "CW" },
  { low: 472, high: 475, mode: "CW" },
  { low: 1800, high: 1838, mode: "CW" },
  { low: 1843, high: 2000, mode: "SSB" },
  { low: 3500, high: 3570, mode: "CW" },
  { low: 3580, high: 3600, mode: "DIGI" },
  { low: 3600, high: 4000, mode: "SSB" },
  { low: 5351.5, high: 5354, mode: "CW" },
  { low: 7000, high: 7040, mode: "CW" },
  { low: 7040, high: 7050, mode: "DIGI" },
  { low: 7050, high: 7300, mode: "SSB" },
  { low: 10100, high: 10130, mode: "CW" },
  { low: 10130, high: 10150, mode: "DIGI" },
  { low: 14000, high: 14070, mode: "CW" },
  { low: 14070, high: 14099, mode: "DIGI" },
  { low: 14099, high: 14101, mode: "CW" }, // the beacons of the IBP
  { low: 14101, high: 14350, mode: "SSB" },
  { low: 18068, high: 18095, mode: "CW" },
  { low: 18095, high: 18109, mode: "DIGI" },
  { low: 18109, high: 18168, mode: "SSB" },
  { low: 21000, high: 21070, mode: "CW" },
  { low: 21070, high: 21149, mode: "DIGI" },
  { low: 21151, high: 21450, mode: "SSB" },
  { low: 24890, high: 24915, mode: "CW" },
  { low: 24915, high: 24929, mode: "DIGI" },
  { low: 24931, high: 24990, mode: "SSB" },
  { low: 28000, high: 28070, mode: "CW" },
  { low: 28070, high: 28190, mode: "DIGI" },
  { low: 28225, high: 29300, mode: "SSB" },
  { low: 29510, high: 29700, mode: "FM" },
  { low: 50000, high: 50100, mode: "CW" },
  { low: 50100, high: 50300, mode: "SSB" },
  { low: 50300, high: 50400, mode: "DIGI" },
  { low: 70150, high: 70250, mode: "SSB" },
  { low: 144000, high: 144110, mode: "CW" },
  { low: 144110, high: 144180, mode: "DIGI" },
  { low: 144180, high: 144360, mode: "SSB" },
  { low: 144360, high: 144400, mode: "DIGI" },
];

/** The band a frequency (kHz) lies in; null outside every amateur band. */
export function bandOf(frequency: number): string | null {
  return bands.find((band) => frequency >= band.low && frequency <= band.high)?.name ?? null;
}

/** The mode the band plan expects at a frequency (kHz); null where the plan allows all or nothing. */
export function plannedMode(frequency: number): Mode | null {
  const inside = (segment: Segment): boolean =>
    frequency >= segment.low && frequency < segment.high;
  return callingFrequencies.find(inside)?.mode ?? segments.find(inside)?.mode ?? null;
}
