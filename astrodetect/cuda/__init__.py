"""CUDA kernels by PyCUDA: cut patches and reduce windows on the device.

Nothing here is loaded unless a stage asks for it, and nothing outside this package knows PyCUDA.

========================================== ========================================================
`astrodetect.cuda.sources`                 text of the kernels
`astrodetect.cuda.launches`                which kernel, with which grid and arguments: plain Python
`astrodetect.cuda.compiler`                from text to machine code, kept in the user's cache folder
`astrodetect.cuda.device`, ``pycuda_device`` what a device can do; PyCUDA's
`astrodetect.cuda.extraction`              patches of NumPy arrays
`astrodetect.cuda.tensors`                 patches of torch tensors, with gradients
`astrodetect.cuda.windows`                 frames up, planes down, both while the device computes
========================================== ========================================================
"""
