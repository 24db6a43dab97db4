from common.migrations import main

main("user_service")
