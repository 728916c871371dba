"""The few functions that a notebook needs; `napari_sam` itself offers them by name.

>>> import napari_sam
>>> stack = napari_sam.open_stack("embryo.tif")  # a path, an array, or an ImageSource
>>> nucleus = napari_sam.segment_object(stack, plane=20, points=[(64, 71)])
>>> volume = napari_sam.propagate_object(stack, {20: nucleus}, axis=0)
>>> labels = napari_sam.to_labels(stack, volume)
>>> everything = napari_sam.segment_everything(stack, planes=20)
>>> volumes = napari_sam.segment_volumes(stack)
>>> others = napari_sam.find_alike(stack, labels, planes=20)
"""
