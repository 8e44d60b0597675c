"""The ground truth and prediction of one image, as mmengine data samples."""

from mmengine.structures import BaseDataElement, InstanceData, PixelData


class DetSample(BaseDataElement):
    """Boxes of one image.

    Metainfo: ``img_id`` (int), ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).
    """

    @property
    def gt(self) -> InstanceData:
        """``boxes`` [G, 4] float32 xyxy in pixels of the network input, ``labels`` [G] int64."""
        return self._gt

    @gt.setter
    def gt(self, value: InstanceData) -> None:
        self.set_field(value, "_gt", dtype=InstanceData)

    @property
    def pred(self) -> InstanceData:
        """``boxes`` [D, 4] xyxy in pixels of the original image, ``scores`` [D], ``labels`` [D]."""
        return self._pred

    @pred.setter
    def pred(self, value: InstanceData) -> None:
        self.set_field(value, "_pred", dtype=InstanceData)


class SegSample(BaseDataElement):
    """Label map of one image.

    Metainfo: ``img_path`` (str), ``ori_size`` and ``input_size``, both (height, width).
    """

    @property
    def gt(self) -> PixelData:
        """``labels`` [1, H, W] uint8, 255 is ignored."""
        return self._gt

    @gt.setter
    def gt(self, value: PixelData) -> None:
        self.set_field(value, "_gt", dtype=PixelData)

    @property
    def pred(self) -> PixelData:
        """``labels`` [1, H, W] uint8 at the size of the original image."""
        return self._pred

    @pred.setter
    def pred(self, value: PixelData) -> None:
        self.set_field(value, "_pred", dtype=PixelData)
