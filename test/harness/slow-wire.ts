import { createServer, connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** A port of this machine that leads to another one, with a wait in each direction. */
export interface SlowWire {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param delay milliseconds each way
 * @param from the port of this machine; 0 takes a free one
 */
export async function startSlowWire(
  address: string,
  port: number,
  delay: number,
  from = 0,
): Promise<SlowWire> {
  const sockets = new Set<Socket>();
  const carry = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on("data", (chunk) => setTimeout(() => to.write(chunk), delay));
    from.on("end", () => setTimeout(() => to.end(), delay));
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
  };
  const server = createServer((near) => {
    const far = connect(port, address);
    carry(near, far);
    carry(far, near);
  });
  await new Promise<void>((resolve) => server.listen(from, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
