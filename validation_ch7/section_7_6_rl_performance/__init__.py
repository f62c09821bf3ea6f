"""Section 7.6: does a learned signal controller beat the classical ones?"""
