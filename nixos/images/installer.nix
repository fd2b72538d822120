# The ISO: the installer with the disk image on it, at /iso/odin when booted.
#
# diskImage: the image of one configuration, handed in by default.nix.
{ diskImage, ... }:
{
  image.modules.iso-installer = {
    image.baseName = "odin-installer";
    isoImage = {
      makeEfiBootable = true;
      makeUsbBootable = true;
      volumeID = "ODIN";
      # The image is most of the medium and does not shrink much further.
      squashfsCompression = "zstd -Xcompression-level 6";
      contents = [
        {
          source = "${diskImage}/${diskImage.passthru.filePath}";
          target = "/odin/odin.img";
        }
      ];
    };
  };
}
