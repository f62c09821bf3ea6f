"""The same trainings, uncut and cut once, resumed in different ways: who ends with the uncut policy?"""
