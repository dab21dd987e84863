import { execa } from "execa";

/** execa that also finds the system's tools: root's PATH has no sbin after a plain `su`. */
export const execute = execa({
  env: { PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` },
});
