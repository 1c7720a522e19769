"""What end-to-end and chaos tests share."""
