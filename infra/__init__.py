"""What `azd up` deploys (Bicep), and the offline checks of it."""
