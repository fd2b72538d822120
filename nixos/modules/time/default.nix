# chrony: it copes with long absences of its servers, which timesyncd does not.
{
  config,
  lib,
  ...
}:
let
  cfg = config.odin.time;
  inherit (config.odin.network) airGapped;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    time.timeZone = cfg.zone;

    services.chrony = {
      enable = true;
      servers = lib.mkIf (cfg.servers != [ ] || airGapped) cfg.servers;
      # A machine that was off for a month is months wrong on a flat battery; it
      # must not refuse the right time.
      # With rtcsync the kernel is told that the clock is set, which metrics are
      # made of, and sets the hardware's clock by it. chronyd does not start with
      # both that and a file of the hardware's drift.
      enableRTCTrimming = false;
      extraConfig = ''
        makestep 1.0 3
        rtcsync
      '';
    };

    warnings =
      lib.optional (airGapped && cfg.servers == [ ] && config.odin.cluster.servers != [ ])
        "odin.time.servers = [] with odin.network.airGapped: the servers of this cluster have no common clock";
  };
}
