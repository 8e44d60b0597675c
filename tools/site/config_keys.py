"""x"""
def config_keys_page():
    return "# Config keys\n"
