# Who may log in.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.access = {
    user = mkOption {
      type = types.strMatching "[a-z_][-a-z0-9_]{0,30}";
      default = "admin";
      example = "operator";
      description = ''
        The person's account: SSH with a key, `sudo` for members of `wheel`,
        which it is. It has no password, so it cannot log in at the console.
      '';
    };

    authorizedKeys = mkOption {
      type = types.listOf (types.strMatching "(ssh-|ecdsa-|sk-).+");
      default = [ ];
      example = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExa admin@desk"
      ];
      description = ''
        Public keys of every machine built from this configuration. A host's
        own keys are `access.authorized-keys` of its `site.toml`;
        `odin-host.service` writes them to `/var/lib/odin-keys/<user>` at every
        boot, unless somebody else wrote that file. Without either nobody can
        log in, and only the installation medium helps.
      '';
    };

    rescuePasswordFile = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/odin-keys/root-password";
      description = ''
        File with a hashed root password for the console, where a machine's
        network may be what is broken. Null: no password works anywhere.
      '';
    };
  };
}
