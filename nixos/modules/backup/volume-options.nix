# How single volumes are treated.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  name = types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
  entries = options: types.listOf (types.submodule { inherit options; });
  command =
    description: example:
    mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit description example;
    };
in
{
  options.odin.backup = {
    volumes = mkOption {
      type = entries {
        namespace = mkOption {
          type = name;
          example = "workloads";
          description = "Namespace of the claim.";
        };
        claim = mkOption {
          type = types.nonEmptyStr;
          example = "data-postgres-0";
          description = "Name of the PersistentVolumeClaim.";
        };
        exclude = mkOption {
          type = types.bool;
          default = false;
          example = true;
          description = "Leaves the volume out; a restore then gives an empty one.";
        };
        before = command "Command run in the pod that mounts it before it is read." [
          "/bin/sh"
          "-c"
          "psql -c CHECKPOINT"
        ];
        after = command "Command run there afterwards, also when reading failed." [
          "/bin/true"
        ];
      };
      default = [ ];
      example = [
        {
          namespace = "workloads";
          claim = "cache";
          exclude = true;
        }
      ];
      description = ''
        How single volumes are treated. A volume that is not named is read as
        it is; of a database that may be a torn state.
      '';
    };
  };
}
