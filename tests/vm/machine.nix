# An appliance as the tests boot it: the dev configuration in a virtual machine
# without a network but the one between the machines.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  imports = [
    ../../nixos
    ../../nixos/profiles/dev.nix
  ];

  odin = {
    network = {
      airGapped = true;
      # The same on every machine, so that a restored one is the node it was.
      hostName = "box";
    };
    cluster = {
      # eth0 is the driver's own network; the nodes meet on eth1.
      interface = "eth1";
      address = config.networking.primaryIPAddress;
    };
    # The repository is on a second disk, so that a machine can lose the first.
    backup = {
      repository = "/mnt/backup/repository";
      passwordFile = "/etc/odin/repository-password";
      schedule = null;
      drill.schedule = null;
      check.schedule = null;
    };
    upgrade.deadline = "10m";
  };

  # The driver's disk has no partition table, and its file systems are its own.
  boot.initrd.systemd.repart.enable = lib.mkForce false;

  # The scenarios look into reports with it.
  environment.systemPackages = [ pkgs.jq ];

  # A password nobody has to keep: the machine holds nothing of value.
  environment.etc."odin/repository-password" = {
    text = "vm: a machine of this kind holds nothing of value\n";
    mode = "0600";
  };

  virtualisation = {
    memorySize = 6144;
    cores = 2;
    diskSize = 24576;
    emptyDiskImages = [ 8192 ];
    fileSystems."/mnt/backup" = {
      device = "/dev/vdb";
      fsType = "ext4";
      autoFormat = true;
    };
  };
}
