/** Options of the verbs that make plans and runs. */
export const timingsOption = [
  "--timings [file]",
  "say what took how long; with a file, as a trace for chrome://tracing and Perfetto",
] as const;

export const detailsOption = [
  "--details",
  "every file, every reason and all that differs, not only the page",
] as const;
