# File systems besides root and boot, as values: the image needs them under
# another priority than the modules.
{ lib, storage }:
let
  hasFast = storage.fast.device != null;
  onData = [
    "/var/lib/kubelet"
    "/var/lib/odin"
    "/var/lib/rancher"
  ];
  onFast = lib.optionals hasFast storage.fast.directories;

  # A directory of the file system, named after the place it is bound to.
  source =
    root: place: "${root}/${lib.replaceStrings [ "/" ] [ "-" ] (lib.removePrefix "/var/lib/" place)}";

  bind = root: place: {
    name = place;
    value = {
      device = source root place;
      fsType = "none";
      depends = [ root ];
      options = [
        "bind"
        # Makes the directory that is bound.
        "x-systemd.requires=odin-directories.service"
        "x-systemd.after=odin-directories.service"
      ];
    };
  };

  disk = device: {
    inherit device;
    fsType = "ext4";
    options = [
      "noatime"
      # A slow controller is waited for, a missing disk not for ever.
      "x-systemd.device-timeout=120s"
    ];
  };
in
{
  fileSystems = {
    "/srv" = disk storage.data.device;
  }
  // lib.optionalAttrs hasFast { "/srv/fast" = disk storage.fast.device; }
  // lib.listToAttrs (map (bind "/srv") onData)
  // lib.listToAttrs (map (bind "/srv/fast") onFast);

  directories = map (source "/srv") onData ++ map (source "/srv/fast") onFast;
  roots = [ "/srv" ] ++ lib.optional hasFast "/srv/fast";
}
