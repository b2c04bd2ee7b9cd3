"""Images: data sets, MATLAB's resize, PSNR and SSIM."""
