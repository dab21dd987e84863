/** Notes that something begins; the answer is called when it is over. What it does with that is the caller's business. */
export type Mark = (what: string) => () => void;

/** For those who do not want to know. */
export const noMark: Mark = () => () => undefined;
