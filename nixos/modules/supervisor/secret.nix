# One key of one Secret.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options = {
    namespace = mkOption {
      type = types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
      example = "monitoring";
      description = "Namespace of the Secret; made first when it does not exist.";
    };
    name = mkOption {
      type = types.strMatching "[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?";
      example = "alertmanager-receivers";
      description = "Name of the Secret; several keys of one Secret are several entries.";
    };
    key = mkOption {
      type = types.strMatching "[-._a-zA-Z0-9]+";
      example = "slack-url";
      description = "Key inside the Secret.";
    };
    file = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/odin/credentials/slack-url";
      description = ''
        File on the machine that holds the value. A path of the Nix store is
        refused: everybody on the machine could read it.
      '';
    };
    generate = mkOption {
      type = types.nullOr (types.ints.between 16 256);
      default = null;
      example = 32;
      description = ''
        Number of random bytes to generate once; kept in ODIN's state and in
        every backup. Exactly one of `file` and `generate` must be set.
      '';
    };
  };
}
