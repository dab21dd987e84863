import { rawScript } from "../../shell/script.ts";

/** For the steps that bring a stack back: `note_restored KEY` writes into the record that a part of it is done, on the disk before it returns. */
export const noteRestored = rawScript(`note_restored() (
  cd "$HOSTKIT_STACK_DIRECTORY"
  # Cluster and files are brought back at the same time.
  exec 8<.
  flock 8
  { grep -v "^$1 " restored-from || :; echo "$1 done"; } >restored-from.new
  sync restored-from.new && mv -f restored-from.new restored-from && sync .
)`);
