/** Times as the page shows them: UTC, as radio amateurs write it, or the browser's own zone. */
let local = false;

export function setLocal(wanted: boolean): void {
  local = wanted;
}

export function isLocal(): boolean {
  return local;
}

export function zoneName(): string {
  return local ? Intl.DateTimeFormat().resolvedOptions().timeZone : "UTC";
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `14:05` */
export function clockOf(time: string | number): string {
  const date = new Date(time);
  return local
    ? `${two(date.getHours())}:${two(date.getMinutes())}`
    : `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

/** `14:05:09` */
export function clockWithSeconds(time: number): string {
  return `${clockOf(time)}:${two(new Date(time).getUTCSeconds())}`;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `21 Nov` */
export function dayOf(time: string | number): string {
  const date = new Date(time);
  return local
    ? `${date.getDate()} ${months[date.getMonth()]}`
    : `${date.getUTCDate()} ${months[date.getUTCMonth()]}`;
}
