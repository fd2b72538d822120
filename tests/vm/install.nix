# `odin install` on the medium: what lies on the disk is refused, the image is
# written, verified, and boots. Not looked at: finding a disk by its serial
# number, which a table of `odin install` shows.
# installedImage: the disk image of dev, made to answer the driver.
{ installedImage, ... }:
{
  name = "install";
  globalTimeout = 7200;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.installer = {
    imports = [ ../../nixos/profiles/installer.nix ];
    environment.etc."odin/odin.img".source = "${installedImage}/${installedImage.passthru.filePath}";
    virtualisation = {
      # The target is /dev/vda before and after; the medium's own root is a
      # small second disk.
      diskImage = "./target.qcow2";
      diskSize = 65536;
      emptyDiskImages = [ 4096 ];
      rootDevice = "/dev/vdb";
      memorySize = 2048;
    };
  };

  nodes.target.virtualisation = {
    diskImage = "./target.qcow2";
    useBootLoader = true;
    useEFIBoot = true;
    memorySize = 6144;
    cores = 2;
  };

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import install

    def hand_over():
        installer.shutdown()
        target.state_dir = installer.state_dir

    installer.start()
    install.run(installer, target, "/etc/odin/odin.img", hand_over)
  '';
}
