import { type StorageDriver, toolFolder } from "./storage.ts";

/** A folder on the host itself. */
export const folderStorage: StorageDriver<"local"> = ({ path }) => ({
  base: path,
  hostFolder: path,
  packages: [],
  pinned: "",
  leaves: () => [],
  prepare: () => [],
  pgbackrest: {
    check: () => undefined,
    options: (prefix) => [
      [`${prefix}-type`, "posix"],
      [`${prefix}-path`, toolFolder(path, "postgres")],
    ],
    access: () => [],
  },
  restic: {
    url: toolFolder(path, "files"),
    environment: undefined,
    options: [],
    access: () => [],
  },
});
