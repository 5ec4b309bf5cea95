"""Running a program on the cases of a problem and scoring what it returned, in processes of their own."""
