"""What a run found, so that anybody can check it: certificates, claims, and the output that the next run improves on.

certificates  certificates: what a run found, in one file that anyone can check with this package alone
claims        claims made and checked: what `discovery verify` does with certificates (certificates.py)
improvement   runs in which each program is handed the best output so far
"""
