import { HostkitError } from "../errors.ts";

/**
 * Text for those who hold one of the identities, in age's armored form (age-encryption.org/v1).
 * @throws HostkitError usage for a recipient that is none
 */
export async function encryptFor(recipients: readonly string[], text: string): Promise<string> {
  const { armor, Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new HostkitError(
        "usage",
        {
          what: `${recipient} is no recipient of age`,
          where: "backups.recipients",
          next: "age-keygen -y KEY-FILE prints the one that belongs to a key",
        },
        { cause },
      );
    }
  }
  return armor.encode(await encrypter.encrypt(text));
}
